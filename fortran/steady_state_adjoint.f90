!> Adjoint of the steady state: gradient of a scalar function of soil carbon, given its derivative by layer.
!>
!> With A y = b and soil carbon linear in y, the gradient follows from one more solve with the transpose of A, which
!> reuses the factors of the steady state. The derivatives of A and b with respect to the coefficients are short
!> sums over layers; those of the coefficients with respect to the parameters are in block_slopes.
module steady_state_adjoint
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers
   use proda_parameters, only: n_parameters, i_diffus, i_cryo, i_q10, i_efolding, i_tau_cwd, i_tau_l1, i_tau_l2, &
                               i_tau_s1, i_tau_s2, i_tau_s3, i_fl1s1, i_fl2s1, i_fl3s2, i_fs1s2, i_fs1s3, i_fs2s1, &
                               i_fs2s3, i_fs3s1, i_fcwdl2, i_w_scaling, i_beta
   use proda_forcing, only: i_input_cwd, i_input_l1, i_input_l2, i_input_l3
   use column_block, only: block_coefficients, block_slopes, block_factors, block_solution
   implicit none (type, external)
   private

   public :: block_gradient, solve_adjoint, parameter_gradient

   !> Derivatives of the scalar function with respect to the coefficients.
   type :: block_gradient
      real(dp) :: scalar(lanes, n_layers), litter_scalar(lanes, n_layers)
      real(dp) :: lower(lanes, n_layers), upper(lanes, n_layers)
      real(dp) :: profile(lanes, n_layers)
      real(dp) :: input(lanes, 4)                  !< by annual input to CWD, L1, L2, L3 (gC m-2 yr-1)
      real(dp) :: parameter(lanes, n_parameters)   !< by parameters other than through the coefficients above
   end type block_gradient

contains

   !> Gradient with respect to the coefficients, inputs and those parameters that enter the equations themselves.
   pure subroutine solve_adjoint(c, factors, y, soc_bar, gradient)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(in) :: factors
      type(block_solution), intent(in) :: y
      real(dp), intent(in) :: soc_bar(lanes, n_layers)
      type(block_gradient), intent(out) :: gradient

      real(dp) :: soil_bar(lanes, 3, n_layers), litter_bar(lanes, 2, n_layers)

      gradient%parameter = 0.0_dp
      gradient%profile = 0.0_dp
      call transpose_solve_soil(c, factors, soc_bar, soil_bar)
      call soil_terms(c, y, soc_bar, soil_bar, gradient)
      call entry_terms(c, y, soil_bar, litter_bar, gradient)
      call litter_terms(c, factors, y, litter_bar, gradient)
   end subroutine solve_adjoint

   !> Collect the gradient with respect to the 21 parameters. Coarse woody debris passes on what it receives, so that
   !> its turnover time has none.
   pure subroutine parameter_gradient(c, slopes, gradient, parameter_bar)
      type(block_coefficients), intent(in) :: c
      type(block_slopes), intent(in) :: slopes
      type(block_gradient), intent(in) :: gradient
      real(dp), intent(out) :: parameter_bar(lanes, n_parameters)

      real(dp), dimension(lanes) :: log_q10, efolding, water, diffus, cryo, beta
      real(dp) :: scalar_bar, litter_bar
      integer :: lane, j

      log_q10 = 0.0_dp
      efolding = 0.0_dp
      water = 0.0_dp
      diffus = 0.0_dp
      cryo = 0.0_dp
      beta = 0.0_dp
      do j = 1, n_layers
         !$omp simd private(scalar_bar, litter_bar)
         do lane = 1, lanes
            efolding(lane) = efolding(lane) + c%depth_slope(lane, j)*(gradient%scalar(lane, j)*c%month_mean(lane, j) &
                                                + gradient%litter_scalar(lane, j)*c%litter_month_mean(lane, j))
            scalar_bar = gradient%scalar(lane, j)*c%depth(lane, j)
            litter_bar = gradient%litter_scalar(lane, j)*c%depth(lane, j)
            log_q10(lane) = log_q10(lane) + scalar_bar*slopes%by_log_q10(lane, j) &
                            + litter_bar*slopes%litter_by_log_q10(lane, j)
            water(lane) = water(lane) + scalar_bar*slopes%by_water(lane, j) &
                          + litter_bar*slopes%litter_by_water(lane, j)
            diffus(lane) = diffus(lane) + gradient%lower(lane, j)*slopes%lower_by_diffus(lane, j) &
                           + gradient%upper(lane, j)*slopes%upper_by_diffus(lane, j)
            cryo(lane) = cryo(lane) + gradient%lower(lane, j)*slopes%lower_by_cryo(lane, j) &
                         + gradient%upper(lane, j)*slopes%upper_by_cryo(lane, j)
            beta(lane) = beta(lane) + gradient%profile(lane, j)*c%profile_slope(lane, j)
         end do
      end do
      parameter_bar = gradient%parameter
      parameter_bar(:, i_q10) = log_q10/c%parameter(:, i_q10)
      parameter_bar(:, i_efolding) = efolding
      parameter_bar(:, i_w_scaling) = water
      parameter_bar(:, i_diffus) = diffus
      parameter_bar(:, i_cryo) = cryo
      parameter_bar(:, i_beta) = beta
      parameter_bar(:, i_tau_cwd) = 0.0_dp
   end subroutine parameter_gradient

   !> Solve the transposed system of S1-S3.
   pure subroutine transpose_solve_soil(c, factors, soc_bar, soil_bar)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(in) :: factors
      real(dp), intent(in) :: soc_bar(lanes, n_layers)
      real(dp), intent(out) :: soil_bar(lanes, 3, n_layers)

      real(dp) :: tau(lanes, 3), from_neighbour(lanes, 3), exchange(lanes), b1, b2, b3
      integer :: lane, j

      tau = c%parameter(:, i_tau_s1:i_tau_s3)
      from_neighbour = 0.0_dp
      exchange = 0.0_dp
      do j = 1, n_layers
         !$omp simd private(b1, b2, b3)
         do lane = 1, lanes
            b1 = tau(lane, 1)*(soc_bar(lane, j) + exchange(lane)*from_neighbour(lane, 1))
            b2 = tau(lane, 2)*(soc_bar(lane, j) + exchange(lane)*from_neighbour(lane, 2))
            b3 = tau(lane, 3)*(soc_bar(lane, j) + exchange(lane)*from_neighbour(lane, 3))
            from_neighbour(lane, 1) = factors%soil_inverse(lane, 1, 1, j)*b1 + factors%soil_inverse(lane, 2, 1, j)*b2 &
                                      + factors%soil_inverse(lane, 3, 1, j)*b3
            from_neighbour(lane, 2) = factors%soil_inverse(lane, 1, 2, j)*b1 + factors%soil_inverse(lane, 2, 2, j)*b2 &
                                      + factors%soil_inverse(lane, 3, 2, j)*b3
            from_neighbour(lane, 3) = factors%soil_inverse(lane, 1, 3, j)*b1 + factors%soil_inverse(lane, 2, 3, j)*b2 &
                                      + factors%soil_inverse(lane, 3, 3, j)*b3
            exchange(lane) = c%upper(lane, j)
         end do
         soil_bar(:, :, j) = from_neighbour
      end do
      do j = n_layers - 1, 1, -1
         !$omp simd private(b1, b2, b3)
         do lane = 1, lanes
            b1 = tau(lane, 1)*c%lower(lane, j + 1)*from_neighbour(lane, 1)
            b2 = tau(lane, 2)*c%lower(lane, j + 1)*from_neighbour(lane, 2)
            b3 = tau(lane, 3)*c%lower(lane, j + 1)*from_neighbour(lane, 3)
            from_neighbour(lane, 1) = soil_bar(lane, 1, j) + factors%soil_inverse(lane, 1, 1, j)*b1 &
                                      + factors%soil_inverse(lane, 2, 1, j)*b2 + factors%soil_inverse(lane, 3, 1, j)*b3
            from_neighbour(lane, 2) = soil_bar(lane, 2, j) + factors%soil_inverse(lane, 1, 2, j)*b1 &
                                      + factors%soil_inverse(lane, 2, 2, j)*b2 + factors%soil_inverse(lane, 3, 2, j)*b3
            from_neighbour(lane, 3) = soil_bar(lane, 3, j) + factors%soil_inverse(lane, 1, 3, j)*b1 &
                                      + factors%soil_inverse(lane, 2, 3, j)*b2 + factors%soil_inverse(lane, 3, 3, j)*b3
         end do
         soil_bar(:, :, j) = from_neighbour
      end do
   end subroutine transpose_solve_soil

   !> Terms of the equations of S1-S3: rate, exchange, turnover times and the fractions between them.
   pure subroutine soil_terms(c, y, soc_bar, soil_bar, gradient)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      real(dp), intent(in) :: soc_bar(lanes, n_layers), soil_bar(lanes, 3, n_layers)
      type(block_gradient), intent(inout) :: gradient

      real(dp) :: s, y1, y2, y3, b1, b2, b3, weighted, down, up
      integer :: lane, j, pool, i_tau, above, below

      do j = 1, n_layers
         !$omp simd private(s, y1, y2, y3, b1, b2, b3)
         do lane = 1, lanes
            s = c%scalar(lane, j)
            y1 = y%soil(lane, 1, j)
            y2 = y%soil(lane, 2, j)
            y3 = y%soil(lane, 3, j)
            b1 = soil_bar(lane, 1, j)
            b2 = soil_bar(lane, 2, j)
            b3 = soil_bar(lane, 3, j)
            gradient%scalar(lane, j) = y1*(c%parameter(lane, i_fs1s2)*b2 + c%parameter(lane, i_fs1s3)*b3 - b1) &
                                       + y2*(c%parameter(lane, i_fs2s1)*b1 + c%parameter(lane, i_fs2s3)*b3 - b2) &
                                       + y3*(c%parameter(lane, i_fs3s1)*b1 - b3)
            gradient%parameter(lane, i_fs1s2) = gradient%parameter(lane, i_fs1s2) + s*b2*y1
            gradient%parameter(lane, i_fs1s3) = gradient%parameter(lane, i_fs1s3) + s*b3*y1
            gradient%parameter(lane, i_fs2s1) = gradient%parameter(lane, i_fs2s1) + s*b1*y2
            gradient%parameter(lane, i_fs2s3) = gradient%parameter(lane, i_fs2s3) + s*b3*y2
            gradient%parameter(lane, i_fs3s1) = gradient%parameter(lane, i_fs3s1) + s*b1*y3
         end do
         above = max(j - 1, 1)          ! where there is no neighbour, the exchange is zero
         below = min(j + 1, n_layers)
         gradient%lower(:, j) = 0.0_dp
         gradient%upper(:, j) = 0.0_dp
         do pool = 1, 3
            i_tau = i_tau_s1 + pool - 1
            !$omp simd private(weighted, down, up)
            do lane = 1, lanes
               down = y%soil(lane, pool, above) - y%soil(lane, pool, j)
               up = y%soil(lane, pool, below) - y%soil(lane, pool, j)
               weighted = c%parameter(lane, i_tau)*soil_bar(lane, pool, j)
               gradient%lower(lane, j) = gradient%lower(lane, j) + weighted*down
               gradient%upper(lane, j) = gradient%upper(lane, j) + weighted*up
               gradient%parameter(lane, i_tau) = &
                  gradient%parameter(lane, i_tau) + soc_bar(lane, j)*y%soil(lane, pool, j) &
                  + soil_bar(lane, pool, j)*(c%lower(lane, j)*down + c%upper(lane, j)*up)
            end do
         end do
      end do
   end subroutine soil_terms

   !> Terms of the carbon that litter and coarse woody debris hand to the soil pools; leaves the derivative with respect
   !> to litter in `litter_bar`.
   pure subroutine entry_terms(c, y, soil_bar, litter_bar, gradient)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      real(dp), intent(in) :: soil_bar(lanes, 3, n_layers)
      real(dp), intent(out) :: litter_bar(lanes, 2, n_layers)
      type(block_gradient), intent(inout) :: gradient

      real(dp) :: l1(lanes), l2(lanes), l3(lanes)               ! annual input to L1, L2, L3
      real(dp) :: by_l1(lanes), by_l2(lanes), by_l3(lanes)      ! derivative with respect to what each hands over
      real(dp) :: loss1, loss2
      integer :: lane, j

      l1 = c%input(:, i_input_l1)
      l2 = c%input(:, i_input_l2) + c%parameter(:, i_fcwdl2)*c%input(:, i_input_cwd)
      l3 = c%input(:, i_input_l3) + (1.0_dp - c%parameter(:, i_fcwdl2))*c%input(:, i_input_cwd)
      by_l1 = 0.0_dp
      by_l2 = 0.0_dp
      by_l3 = 0.0_dp
      do j = 1, n_layers
         !$omp simd private(loss1, loss2)
         do lane = 1, lanes
            loss1 = soil_bar(lane, 1, j)*c%parameter(lane, i_fl1s1)*l1(lane)
            loss2 = soil_bar(lane, 1, j)*c%parameter(lane, i_fl2s1)*l2(lane) &
                    + soil_bar(lane, 2, j)*c%parameter(lane, i_fl3s2)*l3(lane)
            gradient%litter_scalar(lane, j) = loss1*y%litter(lane, 1, j) + loss2*y%litter(lane, 2, j)
            litter_bar(lane, 1, j) = loss1*c%litter_scalar(lane, j)
            litter_bar(lane, 2, j) = loss2*c%litter_scalar(lane, j)
            loss1 = c%litter_scalar(lane, j)*y%litter(lane, 1, j)
            loss2 = c%litter_scalar(lane, j)*y%litter(lane, 2, j)
            by_l1(lane) = by_l1(lane) + soil_bar(lane, 1, j)*loss1
            by_l2(lane) = by_l2(lane) + soil_bar(lane, 1, j)*loss2
            by_l3(lane) = by_l3(lane) + soil_bar(lane, 2, j)*loss2
         end do
      end do
      gradient%parameter(:, i_fl1s1) = by_l1*l1
      gradient%parameter(:, i_fl2s1) = by_l2*l2
      gradient%parameter(:, i_fl3s2) = by_l3*l3
      gradient%input(:, i_input_l1) = by_l1*c%parameter(:, i_fl1s1)
      gradient%input(:, i_input_l2) = by_l2*c%parameter(:, i_fl2s1)
      gradient%input(:, i_input_l3) = by_l3*c%parameter(:, i_fl3s2)
      gradient%input(:, i_input_cwd) = c%parameter(:, i_fcwdl2)*gradient%input(:, i_input_l2) &
                                       + (1.0_dp - c%parameter(:, i_fcwdl2))*gradient%input(:, i_input_l3)
      gradient%parameter(:, i_fcwdl2) = c%input(:, i_input_cwd) &
                                        *(gradient%input(:, i_input_l2) - gradient%input(:, i_input_l3))
   end subroutine entry_terms

   !> Transposed solve of the litter pools, and the terms of their equations.
   pure subroutine litter_terms(c, factors, y, litter_bar, gradient)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(in) :: factors
      type(block_solution), intent(in) :: y
      real(dp), intent(inout) :: litter_bar(lanes, 2, n_layers)
      type(block_gradient), intent(inout) :: gradient

      real(dp), dimension(lanes, 2) :: tau, tau_bar, carried
      real(dp) :: bar, down, up
      integer :: lane, pool, j, above, below

      tau = c%parameter(:, i_tau_l1:i_tau_l2)
      carried = 0.0_dp
      do j = 1, n_layers
         do pool = 1, 2
            !$omp simd private(bar)
            do lane = 1, lanes
               bar = (litter_bar(lane, pool, j) + carried(lane, pool))*factors%litter_inverse(lane, pool, j)
               carried(lane, pool) = tau(lane, pool)*c%upper(lane, j)*bar
               litter_bar(lane, pool, j) = bar
            end do
         end do
      end do
      carried = 0.0_dp
      tau_bar = 0.0_dp
      do j = n_layers, 1, -1
         above = max(j - 1, 1)
         below = min(j + 1, n_layers)
         do pool = 1, 2
            !$omp simd private(bar, down, up)
            do lane = 1, lanes
               bar = litter_bar(lane, pool, j) + factors%litter_inverse(lane, pool, j)*carried(lane, pool)
               carried(lane, pool) = tau(lane, pool)*c%lower(lane, j)*bar
               down = y%litter(lane, pool, above) - y%litter(lane, pool, j)
               up = y%litter(lane, pool, below) - y%litter(lane, pool, j)
               tau_bar(lane, pool) = tau_bar(lane, pool) + bar*(c%lower(lane, j)*down + c%upper(lane, j)*up)
               gradient%lower(lane, j) = gradient%lower(lane, j) + bar*tau(lane, pool)*down
               gradient%upper(lane, j) = gradient%upper(lane, j) + bar*tau(lane, pool)*up
               gradient%profile(lane, j) = gradient%profile(lane, j) + bar
               gradient%litter_scalar(lane, j) = gradient%litter_scalar(lane, j) - bar*y%litter(lane, pool, j)
            end do
         end do
      end do
      gradient%parameter(:, i_tau_l1:i_tau_l2) = tau_bar
   end subroutine litter_terms

end module steady_state_adjoint
