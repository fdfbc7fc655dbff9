!> Where the published code treats its matrix as singular.
!>
!> It solves one dense system of 140 unknowns and checks for a warning, that is, whether the reciprocal condition number
!> is below machine precision. In the 1-norm that number is min(k_cwd, k_s3) xi_20 / ||A K - V||, because the
!> slowest loss is that of the bottom layer. The kernel's elimination has no such limit; only the reproduction of the
!> published scheme needs this.
module conditioning
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers
   use proda_parameters, only: i_tau_cwd, i_tau_l1, i_tau_l2, i_tau_s1, i_tau_s2, i_tau_s3, i_fl1s1, i_fl2s1, &
                               i_fl3s2, i_fs1s2, i_fs1s3, i_fs2s1, i_fs2s3, i_fs3s1
   use column_block, only: block_coefficients
   implicit none (type, external)
   private

   public :: reciprocal_condition

contains

   !> Estimate of the reciprocal condition number of each lane.
   pure function reciprocal_condition(c) result(reciprocal)
      type(block_coefficients), intent(in) :: c
      real(dp) :: reciprocal(lanes)
      real(dp) :: norm(lanes), exchange(lanes), soil(lanes), litter(lanes), debris(lanes)
      integer :: j

      associate (p => c%parameter)
         debris = 2.0_dp/p(:, i_tau_cwd)
         litter = max((1.0_dp + p(:, i_fl1s1))/p(:, i_tau_l1), &
            (1.0_dp + max(p(:, i_fl2s1), p(:, i_fl3s2)))/p(:, i_tau_l2))
         soil = max((1.0_dp + p(:, i_fs1s2) + p(:, i_fs1s3))/p(:, i_tau_s1), &
            (1.0_dp + p(:, i_fs2s1) + p(:, i_fs2s3))/p(:, i_tau_s2), (1.0_dp + p(:, i_fs3s1))/p(:, i_tau_s3))
         norm = 0.0_dp
         do j = 1, n_layers
            exchange = c%lower(:, j) + c%upper(:, j)
            if (j > 1) exchange = exchange + c%upper(:, j - 1)
            if (j < n_layers) exchange = exchange + c%lower(:, j + 1)
            norm = max(norm, debris*c%scalar(:, j), soil*c%scalar(:, j) + exchange, &
               litter*c%litter_scalar(:, j) + exchange)
         end do
         reciprocal = c%scalar(:, n_layers)/(max(p(:, i_tau_cwd), p(:, i_tau_s3))*norm)
      end associate
   end function reciprocal_condition

end module conditioning
