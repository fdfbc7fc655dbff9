!> Steady state of litter and soil carbon in a block of columns, by elimination without subtraction.
!>
!> The published code solves a dense system of 140 unknowns, which is singular in double precision wherever
!> decomposition is slow at depth. Here every pivot is a sum of positive terms, as in the elimination of Grassmann,
!> Taksar and Heyman (1985), so that every column has an accurate solution. The unknown y is carbon divided by turnover
!> time, which stays finite where a turnover time is zero. With T the exchange between layers, for one litter pool
!>    (s + tau T) y = input,
!> and for the three soil pools, coupled in each layer by the fractions f_pq of the loss of pool q that enter pool p,
!>    s (y_p - sum_q f_pq y_q) + tau_p (T y)_p = input_p.
!> Coarse woody debris is not mixed: its input passes to litter in the same layer.
module steady_state
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_pools
   use proda_parameters, only: i_tau_cwd, i_tau_l1, i_tau_l2, i_tau_s1, i_tau_s2, i_tau_s3, i_fl1s1, i_fl2s1, &
                               i_fl3s2, i_fs1s2, i_fs1s3, i_fs2s1, i_fs2s3, i_fs3s1, i_fcwdl2
   use proda_forcing, only: i_input_cwd, i_input_l1, i_input_l2, i_input_l3
   use column_block, only: block_coefficients, block_factors, block_solution
   implicit none (type, external)
   private

   public :: solve_steady_state, solve_soil, pools_of, soil_carbon_of

contains

   !> Solve a block and keep its factors.
   pure subroutine solve_steady_state(c, factors, y)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(out) :: factors
      type(block_solution), intent(out) :: y

      real(dp) :: source(lanes, 3, n_layers)

      call solve_litter(c, factors, y)
      call enter_soil(c, y, source)
      call factorise_soil(c, factors)
      call solve_soil(c, factors, source, y%soil)
   end subroutine solve_steady_state

   !> Litter per unit of annual input; pool 1 is L1, 2 stands for both L2 and L3, which share rate and profile. The two
   !> pools take turns in each layer, so that neither waits for its own last result.
   pure subroutine solve_litter(c, factors, y)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(inout) :: factors
      type(block_solution), intent(inout) :: y

      real(dp), dimension(lanes, 2) :: tau, remainder, carried   ! remainder: pivot less exchange with the layer below
      real(dp) :: from_above, inverse
      integer :: lane, pool, j

      tau = c%parameter(:, i_tau_l1:i_tau_l2)
      remainder = 0.0_dp
      carried = 0.0_dp
      do j = 1, n_layers
         do pool = 1, 2
            !$omp simd private(from_above, inverse)
            do lane = 1, lanes
               from_above = tau(lane, pool)*c%lower(lane, j)
               remainder(lane, pool) = c%litter_scalar(lane, j) + from_above*remainder(lane, pool)
               inverse = 1.0_dp/(remainder(lane, pool) + tau(lane, pool)*c%upper(lane, j))
               remainder(lane, pool) = remainder(lane, pool)*inverse
               carried(lane, pool) = (c%profile(lane, j) + from_above*carried(lane, pool))*inverse
               factors%litter_inverse(lane, pool, j) = inverse
               y%litter(lane, pool, j) = carried(lane, pool)
            end do
         end do
      end do
      do j = n_layers - 1, 1, -1
         do pool = 1, 2
            !$omp simd
            do lane = 1, lanes
               carried(lane, pool) = y%litter(lane, pool, j) + factors%litter_inverse(lane, pool, j) &
                                     *tau(lane, pool)*c%upper(lane, j)*carried(lane, pool)
               y%litter(lane, pool, j) = carried(lane, pool)
            end do
         end do
      end do
   end subroutine solve_litter

   !> Carbon that leaves litter and enters S1, S2 and S3 (none), gC m-3 yr-1. Coarse woody debris is split between L2
   !> and L3.
   pure subroutine enter_soil(c, y, source)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      real(dp), intent(out) :: source(lanes, 3, n_layers)

      real(dp) :: from_l1(lanes), from_l2(lanes), from_l3(lanes)
      integer :: lane, j

      from_l1 = c%parameter(:, i_fl1s1)*c%input(:, i_input_l1)
      from_l2 = c%parameter(:, i_fl2s1)*(c%input(:, i_input_l2) + c%parameter(:, i_fcwdl2)*c%input(:, i_input_cwd))
      from_l3 = c%parameter(:, i_fl3s2)*(c%input(:, i_input_l3) &
                                         + (1.0_dp - c%parameter(:, i_fcwdl2))*c%input(:, i_input_cwd))
      do j = 1, n_layers
         !$omp simd
         do lane = 1, lanes
            source(lane, 1, j) = c%litter_scalar(lane, j)*(from_l1(lane)*y%litter(lane, 1, j) &
                                                           + from_l2(lane)*y%litter(lane, 2, j))
            source(lane, 2, j) = c%litter_scalar(lane, j)*from_l3(lane)*y%litter(lane, 2, j)
            source(lane, 3, j) = 0.0_dp
         end do
      end do
   end subroutine enter_soil

   !> Inverse pivot blocks of S1-S3, from the top down.
   !>
   !> A 3 x 3 block is held as its off-diagonal entries, negated, and its column sums, all of them positive. The block
   !> of layer j is s (1 - f) plus lower(j) tau (pivot of j-1)^-1 (remainder of j-1), whose entries follow from the
   !> inverse pivot without subtraction; the pivot adds upper(j) tau.
   pure subroutine factorise_soil(c, factors)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(inout) :: factors

      real(dp) :: respired(lanes, 3)        ! 1 less the fractions passed on
      real(dp) :: sums(lanes, 3)            ! what the layer above adds to the column sums, per unit of lower(j)
      real(dp) :: passed(lanes, 3, 3)       ! and to the off-diagonal entries
      real(dp) :: s, lower, upper, tau1, tau2, tau3
      real(dp) :: o12, o13, o21, o23, o31, o32, r1, r2, r3, p1, p2, p3
      real(dp) :: d11, d22, d33, i11, i12, i13, i21, i22, i23, i31, i32, i33, scale
      integer :: lane, j

      respired(:, 1) = 1.0_dp - c%parameter(:, i_fs1s2) - c%parameter(:, i_fs1s3)
      respired(:, 2) = 1.0_dp - c%parameter(:, i_fs2s1) - c%parameter(:, i_fs2s3)
      respired(:, 3) = 1.0_dp - c%parameter(:, i_fs3s1)
      sums = 0.0_dp
      passed = 0.0_dp
      do j = 1, n_layers
         !$omp simd private(s, lower, upper, tau1, tau2, tau3, o12, o13, o21, o23, o31, o32, r1, r2, r3, p1, p2, p3) &
         !$omp private(d11, d22, d33, i11, i12, i13, i21, i22, i23, i31, i32, i33, scale)
         do lane = 1, lanes
            s = c%scalar(lane, j)
            lower = c%lower(lane, j)
            upper = c%upper(lane, j)
            tau1 = c%parameter(lane, i_tau_s1)
            tau2 = c%parameter(lane, i_tau_s2)
            tau3 = c%parameter(lane, i_tau_s3)

            o12 = s*c%parameter(lane, i_fs2s1) + lower*passed(lane, 1, 2)
            o13 = s*c%parameter(lane, i_fs3s1) + lower*passed(lane, 1, 3)
            o21 = s*c%parameter(lane, i_fs1s2) + lower*passed(lane, 2, 1)
            o23 = lower*passed(lane, 2, 3)
            o31 = s*c%parameter(lane, i_fs1s3) + lower*passed(lane, 3, 1)
            o32 = s*c%parameter(lane, i_fs2s3) + lower*passed(lane, 3, 2)
            r1 = s*respired(lane, 1) + lower*sums(lane, 1)
            r2 = s*respired(lane, 2) + lower*sums(lane, 2)
            r3 = s*respired(lane, 3) + lower*sums(lane, 3)
            p1 = r1 + upper*tau1
            p2 = r2 + upper*tau2
            p3 = r3 + upper*tau3

            ! Cofactors, each a sum over spanning forests (the matrix-tree theorem).
            d11 = p1 + o21 + o31
            d22 = p2 + o12 + o32
            d33 = p3 + o13 + o23
            i11 = (p2 + o12)*d33 + o32*(p3 + o13)
            i22 = (p1 + o21)*d33 + o31*(p3 + o23)
            i33 = (p1 + o31)*d22 + o21*(p2 + o32)
            i12 = o12*d33 + o13*o32
            i13 = o13*d22 + o12*o23
            i21 = o21*d33 + o23*o31
            i23 = o23*d11 + o21*o13
            i31 = o31*d22 + o32*o21
            i32 = o32*d11 + o31*o12
            scale = 1.0_dp/(p1*i11 + p2*i21 + p3*i31)

            factors%soil_inverse(lane, 1, 1, j) = i11*scale
            factors%soil_inverse(lane, 1, 2, j) = i12*scale
            factors%soil_inverse(lane, 1, 3, j) = i13*scale
            factors%soil_inverse(lane, 2, 1, j) = i21*scale
            factors%soil_inverse(lane, 2, 2, j) = i22*scale
            factors%soil_inverse(lane, 2, 3, j) = i23*scale
            factors%soil_inverse(lane, 3, 1, j) = i31*scale
            factors%soil_inverse(lane, 3, 2, j) = i32*scale
            factors%soil_inverse(lane, 3, 3, j) = i33*scale

            sums(lane, 1) = tau1*scale*(r1*i11 + r2*i21 + r3*i31)
            sums(lane, 2) = tau2*scale*(r1*i12 + r2*i22 + r3*i32)
            sums(lane, 3) = tau3*scale*(r1*i13 + r2*i23 + r3*i33)
            scale = upper*scale
            passed(lane, 1, 2) = tau1*tau2*scale*i12
            passed(lane, 1, 3) = tau1*tau3*scale*i13
            passed(lane, 2, 1) = tau2*tau1*scale*i21
            passed(lane, 2, 3) = tau2*tau3*scale*i23
            passed(lane, 3, 1) = tau3*tau1*scale*i31
            passed(lane, 3, 2) = tau3*tau2*scale*i32
         end do
      end do
   end subroutine factorise_soil

   !> Forward and back substitution of S1-S3 (gC m-3 yr-1) for what enters them.
   pure subroutine solve_soil(c, factors, source, soil)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(in) :: factors
      real(dp), intent(in) :: source(lanes, 3, n_layers)
      real(dp), intent(out) :: soil(lanes, 3, n_layers)

      real(dp) :: tau(lanes, 3), from_neighbour(lanes, 3), b1, b2, b3
      integer :: lane, j

      tau = c%parameter(:, i_tau_s1:i_tau_s3)
      from_neighbour = 0.0_dp
      do j = 1, n_layers
         !$omp simd private(b1, b2, b3)
         do lane = 1, lanes
            b1 = source(lane, 1, j) + c%lower(lane, j)*tau(lane, 1)*from_neighbour(lane, 1)
            b2 = source(lane, 2, j) + c%lower(lane, j)*tau(lane, 2)*from_neighbour(lane, 2)
            b3 = source(lane, 3, j) + c%lower(lane, j)*tau(lane, 3)*from_neighbour(lane, 3)
            from_neighbour(lane, 1) = factors%soil_inverse(lane, 1, 1, j)*b1 + factors%soil_inverse(lane, 1, 2, j)*b2 &
                                      + factors%soil_inverse(lane, 1, 3, j)*b3
            from_neighbour(lane, 2) = factors%soil_inverse(lane, 2, 1, j)*b1 + factors%soil_inverse(lane, 2, 2, j)*b2 &
                                      + factors%soil_inverse(lane, 2, 3, j)*b3
            from_neighbour(lane, 3) = factors%soil_inverse(lane, 3, 1, j)*b1 + factors%soil_inverse(lane, 3, 2, j)*b2 &
                                      + factors%soil_inverse(lane, 3, 3, j)*b3
         end do
         soil(:, :, j) = from_neighbour
      end do
      do j = n_layers - 1, 1, -1
         !$omp simd private(b1, b2, b3)
         do lane = 1, lanes
            b1 = c%upper(lane, j)*tau(lane, 1)*from_neighbour(lane, 1)
            b2 = c%upper(lane, j)*tau(lane, 2)*from_neighbour(lane, 2)
            b3 = c%upper(lane, j)*tau(lane, 3)*from_neighbour(lane, 3)
            from_neighbour(lane, 1) = soil(lane, 1, j) + factors%soil_inverse(lane, 1, 1, j)*b1 &
                                      + factors%soil_inverse(lane, 1, 2, j)*b2 + factors%soil_inverse(lane, 1, 3, j)*b3
            from_neighbour(lane, 2) = soil(lane, 2, j) + factors%soil_inverse(lane, 2, 1, j)*b1 &
                                      + factors%soil_inverse(lane, 2, 2, j)*b2 + factors%soil_inverse(lane, 2, 3, j)*b3
            from_neighbour(lane, 3) = soil(lane, 3, j) + factors%soil_inverse(lane, 3, 1, j)*b1 &
                                      + factors%soil_inverse(lane, 3, 2, j)*b2 + factors%soil_inverse(lane, 3, 3, j)*b3
         end do
         soil(:, :, j) = from_neighbour
      end do
   end subroutine solve_soil

   !> Sum of the soil pools by layer, gC m-3.
   pure subroutine soil_carbon_of(c, y, soc)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      real(dp), intent(out) :: soc(lanes, n_layers)

      integer :: j

      do j = 1, n_layers
         soc(:, j) = c%parameter(:, i_tau_s1)*y%soil(:, 1, j) + c%parameter(:, i_tau_s2)*y%soil(:, 2, j) &
                     + c%parameter(:, i_tau_s3)*y%soil(:, 3, j)
      end do
   end subroutine soil_carbon_of

   !> Carbon of CWD, L1, L2, L3, S1, S2, S3 by layer, gC m-3.
   pure subroutine pools_of(c, y, pools)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      real(dp), intent(out) :: pools(lanes, n_layers, n_pools)

      real(dp) :: debris(lanes), to_l2(lanes), to_l3(lanes)
      integer :: j

      debris = c%parameter(:, i_tau_cwd)*c%input(:, i_input_cwd)
      to_l2 = c%input(:, i_input_l2) + c%parameter(:, i_fcwdl2)*c%input(:, i_input_cwd)
      to_l3 = c%input(:, i_input_l3) + (1.0_dp - c%parameter(:, i_fcwdl2))*c%input(:, i_input_cwd)
      do j = 1, n_layers
         pools(:, j, 1) = debris*c%profile(:, j)/c%scalar(:, j)
         pools(:, j, 2) = c%parameter(:, i_tau_l1)*c%input(:, i_input_l1)*y%litter(:, 1, j)
         pools(:, j, 3) = c%parameter(:, i_tau_l2)*to_l2*y%litter(:, 2, j)
         pools(:, j, 4) = c%parameter(:, i_tau_l2)*to_l3*y%litter(:, 2, j)
         pools(:, j, 5) = c%parameter(:, i_tau_s1)*y%soil(:, 1, j)
         pools(:, j, 6) = c%parameter(:, i_tau_s2)*y%soil(:, 2, j)
         pools(:, j, 7) = c%parameter(:, i_tau_s3)*y%soil(:, 3, j)
      end do
   end subroutine pools_of

end module steady_state
