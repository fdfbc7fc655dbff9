!> A block of columns: the coefficients and the solution of each, one per lane.
module column_block
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, n_pools
   use proda_parameters, only: n_parameters
   use proda_forcing, only: n_input
   implicit none (type, external)
   private

   public :: block_coefficients, block_slopes, block_factors, block_solution

   !> What the equations of the steady state hold, in years and metres.
   type :: block_coefficients
      real(dp) :: parameter(lanes, n_parameters)        !< physical units
      real(dp) :: input(lanes, n_input)                 !< gC m-2 yr-1, by pool
      real(dp) :: month_mean(lanes, n_layers)           !< month mean of the scalars of CWD and soil pools
      real(dp) :: litter_month_mean(lanes, n_layers)    !< the same of L1-L3
      real(dp) :: depth(lanes, n_layers)                !< decrease of decomposition with depth
      real(dp) :: depth_slope(lanes, n_layers)          !< its derivative with respect to efolding
      real(dp) :: scalar(lanes, n_layers)               !< rate of CWD and soil pools times their turnover time
      real(dp) :: litter_scalar(lanes, n_layers)        !< the same of L1-L3
      real(dp) :: lower(lanes, n_layers)                !< exchange with the layer above, yr-1
      real(dp) :: upper(lanes, n_layers)                !< exchange with the layer below, yr-1
      real(dp) :: profile(lanes, n_layers)              !< share of the input per metre, m-1
      real(dp) :: profile_slope(lanes, n_layers)        !< its derivative with respect to beta
   end type block_coefficients

   !> Derivatives of month means and exchange with respect to the parameters that they depend on.
   type :: block_slopes
      real(dp), dimension(lanes, n_layers) :: by_log_q10, litter_by_log_q10, by_water, litter_by_water
      real(dp), dimension(lanes, n_layers) :: lower_by_diffus, upper_by_diffus, lower_by_cryo, upper_by_cryo
   end type block_slopes

   !> The elimination, kept for the back substitution and for the adjoint.
   type :: block_factors
      real(dp) :: litter_inverse(lanes, 2, n_layers)    !< reciprocal pivots of L1, and of L2 and L3
      real(dp) :: soil_inverse(lanes, 3, 3, n_layers)   !< inverse pivots of S1-S3: (lane, row, column, layer)
   end type block_factors

   !> Carbon divided by turnover time, gC m-3 yr-1: finite where a turnover time is zero.
   type :: block_solution
      real(dp) :: litter(lanes, 2, n_layers)   !< L1, and L2 or L3, per unit of annual input
      real(dp) :: soil(lanes, 3, n_layers)     !< S1, S2, S3
   end type block_solution

end module column_block
